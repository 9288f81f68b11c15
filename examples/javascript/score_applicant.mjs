// Scores one credit applicant over a running gateway: `node score_applicant.mjs`, or with other values,
// `node score_applicant.mjs age_years=30 monthly_income=4000`.
import { existsSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { credentials, loadPackageDefinition, Metadata, status } from "@grpc/grpc-js";
import { contracts } from "./contracts.mjs";
import { describe } from "./errors.mjs";

const DEADLINE_MS = 5_000;

const keyFile = new URL("../../var/api-key", import.meta.url); // written by `make run`
const apiKey = process.env.GAPURA_API_KEY ?? (existsSync(keyFile) ? readFileSync(keyFile, "utf8").trim() : undefined);
const request = {
  customer_id: "C-1",
  revolving_utilization: 0.77,
  age_years: 45,
  times_past_due_30_59_days: 2,
  debt_ratio: 0.8,
  monthly_income: 9120,
  open_credit_lines: 13,
  times_past_due_90_days: 0,
  real_estate_loans: 6,
  times_past_due_60_89_days: 0,
  ...Object.fromEntries(process.argv.slice(2).map((each) => each.split("="))),
};

const { CreditService } = loadPackageDefinition(contracts).erpml.finance.v1;
const client = new CreditService(process.env.GAPURA_TARGET ?? "127.0.0.1:9003", credentials.createInsecure());
const scoreCredit = promisify(client.ScoreCredit).bind(client);
const metadata = new Metadata();
if (apiKey) metadata.set("x-api-key", apiKey);

try {
  const answer = await scoreCredit(request, metadata, { deadline: Date.now() + DEADLINE_MS });
  const [probability, limit] = [answer.default_probability.toFixed(3), (answer.credit_limit_minor / 100).toFixed(2)];
  console.log(`probability of default ${probability}, ${answer.risk_category}, limit ${limit}`);
} catch (error) {
  console.error(describe(error));
  if (error.code === status.UNAVAILABLE) console.error("Start a gateway first: make run");
  process.exitCode = 1;
} finally {
  client.close();
}

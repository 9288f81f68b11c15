// What an error says beyond its code and message: google.rpc.Status in `grpc-status-details-bin`.
import { status } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import { contracts } from "./contracts.mjs";

// The part of google/rpc/error_details.proto that is read here; the contracts do not carry it.
const text = (id) => ({ type: "string", id });
const details = fromJSON(
  {
    nested: {
      ErrorInfo: {
        fields: { reason: text(1), domain: text(2), metadata: { keyType: "string", type: "string", id: 3 } },
      },
      BadRequest: {
        fields: { field_violations: { rule: "repeated", type: "FieldViolation", id: 1 } },
        nested: { FieldViolation: { fields: { field: text(1), description: text(2) } } },
      },
    },
  },
  { keepCase: true, defaults: true },
);

/**
 * Reads the details of an error.
 * @param {import("@grpc/grpc-js").ServiceError} error Of a call.
 * @returns {{reason: string, metadata: Record<string, string>, violations: {field: string, description: string}[]}}
 */
export function readDetails(error) {
  const found = { reason: "", metadata: {}, violations: [] };
  for (const encoded of error.metadata?.get("grpc-status-details-bin") ?? []) {
    for (const { type_url, value } of contracts["google.rpc.Status"].deserialize(encoded).details) {
      const name = type_url.split("/google.rpc.").pop();
      const detail = details[name]?.deserialize(value);
      if (name === "ErrorInfo") Object.assign(found, { reason: detail.reason, metadata: detail.metadata });
      if (name === "BadRequest") found.violations = detail.field_violations;
    }
  }
  return found;
}

/** Returns an error as `CODE REASON: message`, and a line for each field that needs a change. */
export function describe(error) {
  const { reason, violations } = readDetails(error);
  const title = [status[error.code], reason].filter(Boolean).join(" ");
  return [`${title}: ${error.details}`, ...violations.map((each) => `${each.field}: ${each.description}`)].join("\n  ");
}

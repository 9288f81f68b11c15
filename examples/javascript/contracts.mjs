// The contracts, compiled: every service and message of `protos/`, as gRPC's own client takes them.
import { readFileSync } from "node:fs";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";

const compiled = new URL("../../protos/python/erpml/contracts.binpb", import.meta.url);

// Fields keep the names that the contracts give them; 64-bit integers, such as money, are strings, which lose no digit.
export const contracts = loadFileDescriptorSetFromBuffer(readFileSync(compiled), {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});

// A client of the underpaint daemon, small enough to read in one go. Node 18 or later.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { randomUUID } = require("node:crypto");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const protobuf = require("protobufjs");

// --8<-- [start:load]
const PROTOCOL = "1"; // the newest version that this client knows
const PROTO = process.env.UNDERPAINT_PROTO_DIR || path.join(__dirname, "..", "..", "..", "proto");
const FILES = ["blob", "job", "model", "server"].map((name) => `underpaint/v1/${name}_service.proto`);

const definition = loader.loadSync(FILES, {
  includeDirs: [PROTO], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
});
const v1 = grpc.loadPackageDefinition(definition).underpaint.v1;
// --8<-- [end:load]

// --8<-- [start:discover]
// Where the daemon says how to reach it. The folder is for this user only: so is the token.
function discover() {
  const { uid } = os.userInfo();
  const places = [process.env.XDG_RUNTIME_DIR, `/run/user/${uid}`, `/tmp/runtime-${uid}`]; // on Linux
  const runtime = places.find((place) => place && fs.existsSync(place)) || "";
  const folder = process.env.UNDERPAINT_RUNTIME_DIR || path.join(runtime, "underpaint");
  const found = JSON.parse(fs.readFileSync(path.join(folder, "daemon.json"), "utf8"));
  if (PROTOCOL < found.protocol_minimum || PROTOCOL > found.protocol_maximum) {
    throw new Error(`The daemon speaks protocol ${found.protocol_minimum} to ${found.protocol_maximum}.`);
  }
  return found;
}
// --8<-- [end:discover]

// --8<-- [start:connect]
// Both headers go with every call; the connection stays on this machine.
function connect(found) {
  const address = found.address.replace(/^tcp:/, ""); // "unix:/path" is gRPC's own notation
  const insecure = grpc.credentials.createInsecure();
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${found.token}`);
  metadata.set("underpaint-protocol", PROTOCOL);
  const stubs = { jobs: new v1.JobService(address, insecure), blobs: new v1.BlobService(address, insecure) };
  return {
    // One question, one answer.
    ask: (service, method, request) =>
      new Promise((resolve, reject) => {
        const done = (error, answer) => (error ? reject(explain(error)) : resolve(answer));
        stubs[service][method](request, metadata, done);
      }),
    // One question, many answers: `for await` over them.
    stream: (service, method, request) => stubs[service][method](request, metadata),
    close: () => Object.values(stubs).forEach((stub) => stub.close()),
  };
}
// --8<-- [end:connect]

// --8<-- [start:errors]
const statuses = new protobuf.Root();
statuses.resolvePath = (_, name) => (name.startsWith("google/protobuf/") ? null : path.join(PROTO, name));
statuses.loadSync("underpaint/v1/status.proto");

// A sentence for people and a reason for programs, from the trailer that every refusal carries.
function explain(error) {
  const [bytes] = error.metadata ? error.metadata.get("grpc-status-details-bin") : [];
  return bytes ? refusal(statuses.lookupType("underpaint.v1.Status").decode(bytes)) : error;
}

function refusal(status) {
  const kind = "type.googleapis.com/google.rpc.ErrorInfo";
  const detail = status.details.find((any) => (any.type_url || any.typeUrl) === kind);
  const info = detail ? statuses.lookupType("underpaint.v1.ErrorInfo").decode(bytesOf(detail)) : {};
  return Object.assign(new Error(status.message), { reason: info.reason, facts: info.metadata });
}

const bytesOf = (any) => Buffer.from(any.value);
// --8<-- [end:errors]

// --8<-- [start:picture]
// Submit, watch to the end, read the pixels, let the job go.
async function makePicture(client, spec, onProgress = () => {}) {
  const output_layout = {
    channel_order: "CHANNEL_ORDER_RGB", data_type: "DATA_TYPE_U8", alpha_mode: "ALPHA_MODE_NONE",
    color_space: "COLOR_SPACE_SRGB", row_order: "ROW_ORDER_TOP_DOWN",
  };
  const request = { request_id: randomUUID(), spec: { ...spec, output_layout } };
  let { job } = await client.ask("jobs", "SubmitJob", request);
  try {
    for await (const update of client.stream("jobs", "WatchJob", { name: job.name })) {
      job = update.job || job; // previews are not asked for here
      onProgress(job);
    }
  } catch (error) {
    throw explain(error);
  }
  if (job.error) throw refusal(job.error);
  const [{ image, layout }] = job.results;
  const chunks = [];
  for await (const { data } of client.stream("blobs", "ReadBlob", { name: image.blob })) chunks.push(data);
  const pixels = Buffer.concat(chunks);
  await client.ask("jobs", "DeleteJob", { name: job.name });
  return { width: layout.width_px, height: layout.height_px, pixels, seed: job.resolved.seed };
}
// --8<-- [end:picture]

module.exports = { discover, connect, makePicture, explain };

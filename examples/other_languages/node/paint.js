// node paint.js PROMPT FILE.ppm [--seed N] [--size WxH] [--model NAME]
"use strict";

const fs = require("node:fs");
const { parseArgs } = require("node:util");
const { discover, connect, makePicture } = require("./underpaint.js");

const options = { seed: { type: "string" }, size: { type: "string" }, model: { type: "string" } };

async function main() {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [prompt, file] = positionals;
  if (!file) throw new Error("Usage: node paint.js PROMPT FILE.ppm [--seed N] [--size WxH] [--model NAME]");
  const [width_px, height_px] = (values.size || "0x0").split("x").map(Number);
  const spec = { prompt, seed: values.seed, model: values.model, text_to_image: { width_px, height_px } };
  const client = connect(discover());
  try {
    const show = (job) => process.stderr.write(`${job.state} ${Math.round(job.progress.fraction * 100)}%\n`);
    const picture = await makePicture(client, spec, (job) => job.progress && show(job));
    const header = `P6\n${picture.width} ${picture.height}\n255\n`;
    fs.writeFileSync(file, Buffer.concat([Buffer.from(header), picture.pixels]));
    console.log(JSON.stringify({ file, width: picture.width, height: picture.height, seed: picture.seed }));
  } finally {
    client.close();
  }
}

main().catch((error) => {
  console.error(error.reason ? `${error.reason}: ${error.message}` : error.message);
  process.exitCode = 1;
});

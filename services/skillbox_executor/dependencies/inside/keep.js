// In a filler of Node: makes visible what was unpacked, all at once.
"use strict";
const fs = require("fs");
const { spawnSync } = require("child_process");

const [, program, unpacked, kept] = process.argv;
fs.rmSync(program);
fs.rmSync("out", { recursive: true, force: true });
// A half of it must not be seen after a power failure either.
spawnSync("sync");
try {
  fs.renameSync(unpacked, kept);
} catch (error) {
  if (!fs.existsSync(kept)) throw error;
  fs.rmSync(unpacked, { recursive: true }); // another filler was faster
}

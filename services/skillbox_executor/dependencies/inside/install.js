// In a builder of Node: installs package.json with the npm of the image.
"use strict";
const fs = require("fs");
const path = require("path");
const { spawnSync } = require("child_process");

const TARGET = path.resolve("out/files");

function npm() {
  const beside = path.join(path.dirname(process.execPath), "../lib/node_modules/npm");
  const folders = [beside, "/usr/lib/node_modules/npm", "/usr/share/nodejs/npm"];
  const found = folders.map((folder) => path.join(folder, "bin/npm-cli.js")).find(fs.existsSync);
  if (found) return found;
  console.error("this image has no npm: put node_modules into the archive instead");
  return process.exit(1);
}

const program = npm();
for (const name of ["package.json", "package-lock.json"]) {
  if (fs.existsSync(name)) fs.copyFileSync(name, path.join(TARGET, name));
}
const options = [
  "install",
  "--ignore-scripts", // packages would run code of their own
  "--no-bin-links", // links do not come along
  "--omit=dev",
  "--no-audit",
  "--no-fund",
  "--no-update-notifier",
  "--no-progress",
  "--install-strategy=hoisted",
  `--cache=${path.resolve("cache")}`,
  `--userconfig=${path.resolve("no-user-config")}`, // no settings of the image
  `--globalconfig=${path.resolve("no-global-config")}`,
  ...process.argv.slice(2),
];
const done = spawnSync(process.execPath, [program, ...options], { cwd: TARGET, stdio: "inherit" });
for (const name of ["package.json", "package-lock.json"]) {
  fs.rmSync(path.join(TARGET, name), { force: true });
}
process.exit(done.status ?? 1);

// Leaves many files in folders within folders.

const fs = require("node:fs");
const path = require("node:path");

const { folders = 3, files = 5 } = JSON.parse(
  fs.readFileSync(process.env.SANDBOX_INPUT_FILE, "utf8"),
);

let folder = "";
for (let depth = 1; depth <= folders; depth++) {
  folder = path.join(folder, `folder-${depth}`);
  const target = path.join(process.env.SANDBOX_FILES_DIR, folder);
  fs.mkdirSync(target, { recursive: true });
  for (let number = 1; number <= files; number++) {
    const name = `file-${String(number).padStart(2, "0")}.txt`;
    fs.writeFileSync(path.join(target, name), `${path.join(folder, name)}\n`);
  }
}

console.log(`Wrote ${folders * files} files`);
fs.writeFileSync(
  process.env.SANDBOX_OUTPUT,
  JSON.stringify({ count: folders * files, deepest: folder }),
);

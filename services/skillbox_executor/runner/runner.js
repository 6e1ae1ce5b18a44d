// PID 1 of a Node box: runs one skill as a child process.
//
// Protocol: skillbox_executor/sandbox/frames.py. Runs on Node 18 and later, without packages.
// Node cannot wait for processes that are not its children: orphans of the skill that end
// before it stay zombies until the box goes.
"use strict";
const fs = require("fs");
const { resolve } = require("path");
const { spawn } = require("child_process");
const { signals } = require("os").constants;

const CHUNK = 256 * 1024;
const PACKAGES = "/opt/skillbox/deps/packages/node_modules"; // where a box may have some
const MAX_SIZE = 8 ** 11; // of a file, in a tar header
const TAR_TYPES = new Map([
  [fs.constants.S_IFREG, "0"],
  [fs.constants.S_IFLNK, "2"],
  [fs.constants.S_IFCHR, "3"],
  [fs.constants.S_IFBLK, "4"],
  [fs.constants.S_IFDIR, "5"],
  [fs.constants.S_IFIFO, "6"],
  [fs.constants.S_IFSOCK, "6"], // tar knows no sockets
]);

// Standard streams may be non-blocking, where everything else here is simplest blocking.
function blocking(call) {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function writeAll(data) {
  for (let done = 0; done < data.length; ) {
    done += blocking(() => fs.writeSync(1, data, done));
  }
}

function frame(kind, data = Buffer.alloc(0)) {
  const header = kind + String(data.length).padStart(10, "0");
  writeAll(Buffer.concat([Buffer.from(header), data]));
}

function take(count) {
  const data = Buffer.alloc(count);
  for (let done = 0; done < count; ) {
    const read = blocking(() => fs.readSync(0, data, done, count - done));
    if (read === 0) throw new Error("stdin ended in the middle of a payload");
    done += read;
  }
  return data;
}

function takeNumber() {
  const digits = take(10).toString("latin1");
  if (!/^[0-9]{10}$/.test(digits)) throw new Error("a length is not ten digits");
  return Number(digits);
}

function untilNul(data) {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

// Names are bytes throughout: a file system has no encoding.
function parent(path) {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? Buffer.from(".") : path.subarray(0, slash);
}

function makeFolder(path) {
  try {
    fs.mkdirSync(path);
  } catch (error) {
    if (error.code === "EEXIST") return;
    if (error.code !== "ENOENT") throw error;
    makeFolder(parent(path));
    fs.mkdirSync(path);
  }
}

// Unpacks a tar of `left` bytes from stdin, which has regular files and folders only.
function unpack(left) {
  let longName = null;
  while (left > 0) {
    const head = take(512);
    left -= 512;
    if (head.every((byte) => byte === 0)) {
      for (; left > 0; left -= Math.min(left, CHUNK)) take(Math.min(left, CHUNK));
      return;
    }
    const size = parseInt(head.toString("latin1", 124, 135), 8);
    const padded = Math.ceil(size / 512) * 512;
    const kind = String.fromCharCode(head[156]);
    left -= padded;
    if (!(left >= 0)) throw new Error("an entry is longer than its tar");
    if (kind === "L") {
      longName = untilNul(take(padded)); // the next entry's name, when it has over 100 bytes
      continue;
    }
    const name = longName || untilNul(head.subarray(0, 100));
    longName = null;
    if (kind === "5") {
      makeFolder(name.at(-1) === 47 ? name.subarray(0, -1) : name);
    } else if (kind === "0") {
      makeFolder(parent(name));
      const file = fs.openSync(name, "w", parseInt(head.toString("latin1", 100, 107), 8));
      for (let rest = size; rest > 0; rest -= Math.min(rest, CHUNK)) {
        const data = take(Math.min(rest, CHUNK));
        for (let done = 0; done < data.length; ) done += fs.writeSync(file, data, done);
      }
      fs.closeSync(file);
      take(padded - size);
    } else {
      throw new Error(`unexpected type of tar entry: ${JSON.stringify(kind)}`);
    }
  }
}

function tarHeader(name, kind, size = 0, mode = 0, mtime = 0) {
  const head = Buffer.alloc(512);
  const octal = (value, width) => value.toString(8).padStart(width, "0");
  name.copy(head, 0, 0, 100);
  const numbers = [octal(mode, 7), octal(0, 7), octal(0, 7), octal(size, 11), octal(mtime, 11)];
  head.write(numbers.join("\0") + "\0" + " ".repeat(8) + kind, 100);
  head.write("ustar  ", 257);
  head.write(octal(head.reduce((sum, byte) => sum + byte, 0), 6) + "\0", 148);
  if (name.length <= 100) return head;
  const long = Buffer.alloc(Math.ceil(name.length / 512) * 512);
  name.copy(long);
  return Buffer.concat([tarHeader(Buffer.from("././@LongLink"), "L", name.length), long, head]);
}

// Sends a tar of out/, output.json first. Tells whether something was left out.
function sendResult(maxFiles) {
  let complete = true;
  let pending = [];
  let pendingSize = 0;
  const flush = () => {
    frame("r", Buffer.concat(pending));
    pending = [];
    pendingSize = 0;
  };
  const write = (data) => {
    pending.push(data);
    pendingSize += data.length;
    if (pendingSize >= CHUNK) flush();
  };
  const list = (path) => fs.readdirSync(path, { encoding: "buffer" });
  const outPath = (name) => Buffer.concat([Buffer.from("out/"), name]);

  const out = fs.lstatSync("out", { throwIfNoEntry: false });
  const names = [];
  if (out && out.isDirectory()) {
    fs.chmodSync("out", 0o700);
    names.push(...list("out"));
  }
  const output = names.findIndex((name) => name.toString() === "output.json");
  if (output >= 0) names.push(...names.splice(output, 1));
  while (names.length > 0) {
    const name = names.pop();
    const path = outPath(name);
    const isOutput = name.toString() === "output.json";
    let info, file, kind;
    try {
      info = fs.lstatSync(path);
      kind = TAR_TYPES.get(info.mode & fs.constants.S_IFMT);
      if (kind === "0") {
        if ((!isOutput && --maxFiles < 0) || info.size >= MAX_SIZE) {
          complete = false;
          continue;
        }
        fs.chmodSync(path, 0o600);
        file = fs.openSync(path, "r");
      } else if (kind === "5" && !isOutput) {
        fs.chmodSync(path, 0o700);
        for (const child of list(path)) names.push(Buffer.concat([name, Buffer.from("/"), child]));
      }
    } catch {
      complete = false;
      continue;
    }
    const mtime = Math.min(Math.max(0, Math.floor(info.mtimeMs / 1000)), MAX_SIZE - 1);
    if (kind === "0" || kind === "5" || isOutput) {
      write(tarHeader(name, kind, kind === "0" ? info.size : 0, info.mode & 0o7777, mtime));
    }
    if (kind !== "0") continue;
    for (let left = info.size; left > 0; ) {
      const data = Buffer.alloc(Math.min(left, CHUNK));
      const read = fs.readSync(file, data);
      write(data.subarray(0, read));
      left -= read;
    }
    fs.closeSync(file);
    write(Buffer.alloc((512 - (info.size % 512)) % 512));
  }
  write(Buffer.alloc(1024));
  if (pendingSize > 0) flush();
  return !complete;
}

// Answers for localhost where the engine made no /etc/hosts, as it does for a box without any
// network. It had better be without one.
function serveNames() {
  const hosts = fs.statSync("/etc/hosts", { throwIfNoEntry: false });
  if (hosts && hosts.size > 0) return;
  const routes = fs.readFileSync("/proc/net/route", "latin1").trim().split("\n");
  if (routes.length > 1) throw new Error("the box has a network");
  const server = require("dgram").createSocket("udp4");
  // Engines that keep low ports for root refuse it: then a skill has to say 127.0.0.1.
  server.on("error", () => {});
  server.on("message", (query, client) => {
    const reply = answer(query);
    if (reply) server.send(reply, client.port, client.address, () => {});
  });
  server.bind(53, "127.0.0.1");
}

// Answers a DNS query: localhost is 127.0.0.1, and nothing is known of other names.
function answer(query) {
  const end = query.indexOf(0, 12) + 5;
  if (end < 17 || end > query.length) return null;
  const name = query.toString("latin1", 12, end - 4).toLowerCase();
  const known = name === "\tlocalhost\0";
  const found = known && query.toString("latin1", end - 4, end) === "\0\x01\0\x01"; // IPv4
  const head = Buffer.from([0x81, known ? 0x80 : 0x85, 0, 1, 0, found ? 1 : 0, 0, 0, 0, 0]);
  const address = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
  const parts = [query.subarray(0, 2), head, query.subarray(12, end)];
  return Buffer.concat(found ? [...parts, address] : parts);
}

function fault(error) {
  process.stderr.write(`runner: ${error.message}\n`);
  process.exit(70);
}

function main() {
  if (process.pid !== 1) throw new Error("the runner must be PID 1");
  process.on("SIGUSR1", () => {}); // else it would open the debugger, for the skill to use
  serveNames();
  frame("h");
  const header = JSON.parse(take(takeNumber()).toString());
  if (header.protocol !== 1) throw new Error("unknown protocol");
  unpack(takeNumber());
  fs.mkdirSync("out/files", { recursive: true });
  // Modules are looked for in the folders above the script.
  if (fs.existsSync(PACKAGES) && !fs.existsSync("node_modules")) {
    fs.symlinkSync(PACKAGES, "node_modules");
  }
  // When the executor hangs up, the kernel ends the whole box with PID 1.
  process.stdin.on("end", () => fault(new Error("stdin ended while the skill ran"))).resume();
  const [script, ...args] = header.argv;
  const skill = spawn(process.execPath, [resolve(script), ...args], {
    detached: true, // a session of its own
    env: { ...process.env, ...header.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  skill.on("error", fault);
  // Out of memory, the skill dies, not the runner that reports it.
  fs.writeFileSync(`/proc/${skill.pid}/oom_score_adj`, "1000");
  skill.stdout.on("data", (data) => frame("o", data));
  skill.stderr.on("data", (data) => frame("e", data));
  skill.on("exit", () => {
    try {
      process.kill(-1, "SIGKILL"); // whatever the skill left behind
    } catch {
      // It left nothing behind.
    }
  });
  // Comes when the skill has ended and both pipes are drained.
  skill.on("close", (code, signal) => {
    const end = {
      exit_code: code,
      signal: signal && signals[signal],
      truncated: sendResult(header.limits.files),
    };
    frame("x", Buffer.from(JSON.stringify(end)));
    process.exit(0);
  });
}

process.on("uncaughtException", fault);
main();

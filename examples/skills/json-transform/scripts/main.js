// Runs JSON records through steps.

"use strict";

const fs = require("node:fs");
const path = require("node:path");

class InputError extends Error {}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isName = (value) => typeof value === "string" && value !== "";
const areNames = (value) => Array.isArray(value) && value.every(isName);

// An own property, so that no record can reach "__proto__" and the like.
const get = (record, field) => (Object.hasOwn(record, field) ? record[field] : undefined);
const build = (entries) => Object.fromEntries(entries);

const OPERATORS = {
  "==": (a, b) => JSON.stringify(a) === JSON.stringify(b),
  "!=": (a, b) => JSON.stringify(a) !== JSON.stringify(b),
  "<": (a, b) => typeof a === typeof b && a < b,
  "<=": (a, b) => typeof a === typeof b && a <= b,
  ">": (a, b) => typeof a === typeof b && a > b,
  ">=": (a, b) => typeof a === typeof b && a >= b,
  contains: (a, b) => (typeof a === "string" || Array.isArray(a)) && a.includes(b),
};

function expect(condition, expectation) {
  if (!condition) throw new InputError(`expected ${expectation}`);
}

const STEPS = {
  where(records, rule) {
    expect(isObject(rule) && isName(rule.field), 'an object with "field", "op" and "value"');
    expect(Object.hasOwn(OPERATORS, rule.op), `"op" to be one of ${Object.keys(OPERATORS).join(" ")}`);
    return records.filter((record) => OPERATORS[rule.op](get(record, rule.field), rule.value));
  },
  pick(records, fields) {
    expect(areNames(fields), "a list of fields");
    return records.map((record) =>
      build(fields.filter((f) => Object.hasOwn(record, f)).map((f) => [f, record[f]])),
    );
  },
  drop(records, fields) {
    expect(areNames(fields), "a list of fields");
    return records.map((record) => build(Object.entries(record).filter(([f]) => !fields.includes(f))));
  },
  rename(records, names) {
    expect(isObject(names) && areNames(Object.values(names)), "an object of old to new names");
    return records.map((record) =>
      build(Object.entries(record).map(([f, value]) => [get(names, f) ?? f, value])),
    );
  },
  sort(records, key) {
    expect(isName(key) && key !== "-", 'a field, or "-" and a field');
    const [field, sign] = key.startsWith("-") ? [key.slice(1), -1] : [key, 1];
    return [...records].sort((one, other) => {
      const [a, b] = [get(one, field), get(other, field)];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return sign * ((a > b) - (a < b));
    });
  },
  limit(records, count) {
    expect(Number.isInteger(count) && count >= 0, "an integer from 0");
    return records.slice(0, count);
  },
  count(records, field) {
    expect(isName(field), "a field");
    const groups = new Map();
    for (const record of records) {
      const value = get(record, field) ?? null;
      const key = JSON.stringify(value);
      const group = groups.get(key) ?? build([[field, value], ["count", 0]]);
      group.count += 1;
      groups.set(key, group);
    }
    return [...groups.values()];
  },
};

function transform(input) {
  if (!isObject(input) || !Array.isArray(input.records) || !Array.isArray(input.steps)) {
    throw new InputError('expected an object with the lists "records" and "steps"');
  }
  const wrong = input.records.findIndex((record) => !isObject(record));
  if (wrong >= 0) throw new InputError(`records[${wrong}] is not an object`);
  return input.steps.reduce((records, step, index) => {
    const [name, ...others] = isObject(step) ? Object.keys(step) : [];
    if (name === undefined || others.length) {
      throw new InputError(`steps[${index}]: expected an object with one key`);
    }
    if (!Object.hasOwn(STEPS, name)) {
      throw new InputError(`steps[${index}]: unknown step ${JSON.stringify(name)}`);
    }
    try {
      const result = STEPS[name](records, step[name]);
      console.log(`${name}: ${records.length} -> ${result.length} records`);
      return result;
    } catch (error) {
      if (error instanceof InputError) error.message = `steps[${index}].${name}: ${error.message}`;
      throw error;
    }
  }, input.records);
}

try {
  const input = JSON.parse(fs.readFileSync(process.env.SANDBOX_INPUT_FILE, "utf8"));
  const records = transform(input);
  const output = JSON.stringify({ count: records.length, records });
  fs.writeFileSync(process.env.SANDBOX_OUTPUT, output);
  const lines = records.map((record) => JSON.stringify(record) + "\n").join("");
  fs.writeFileSync(path.join(process.env.SANDBOX_FILES_DIR, "records.jsonl"), lines);
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}

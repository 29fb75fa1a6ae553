// Reads a file as YAML 1.2, strictly, and prints it as JSON.
import { readFileSync } from "node:fs";
import { parse } from "yaml";

process.stdout.write(JSON.stringify(parse(readFileSync(process.argv[2], "utf8"), { version: "1.2", strict: true })));

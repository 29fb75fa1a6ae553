// Compiles each pattern of a JSON list as ECMAScript does, with and without the flag u, and prints those that it refuses.
import { readFileSync } from "node:fs";

const refused = [];
for (const pattern of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  for (const flags of ["", "u"]) {
    try {
      new RegExp(pattern, flags);
    } catch (error) {
      refused.push(`${pattern} (${flags}): ${error.message}`);
    }
  }
}
process.stdout.write(JSON.stringify(refused));

// In a box with a dependency set: tells whether all of it is there.
"use strict";
process.exit(require("fs").existsSync(process.argv[2]) ? 0 : 1);

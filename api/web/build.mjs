// Bundles the softphone and the agent's page into a file each, and lays beside them what is served with them.
import { build } from "esbuild";
import { copyFileSync, mkdirSync } from "node:fs";

mkdirSync("dist", { recursive: true });
const usual = { bundle: true, minify: true, format: "iife", target: "es2020", legalComments: "eof" };
await build({ ...usual, entryPoints: ["src/softphone.ts"], outfile: "dist/softphone.js" });
await build({ ...usual, entryPoints: ["src/ctibar/ctibar.ts"], outfile: "dist/ctibar.js" });
await build({ ...usual, entryPoints: ["src/agent/agent.ts"], outfile: "dist/agent.js" });
await build({ entryPoints: ["src/agent/agent.css"], minify: true, outfile: "dist/agent.css" });
copyFileSync("src/types.d.ts", "dist/softphone.d.ts");
copyFileSync("src/ctibar/ctibar.d.ts", "dist/ctibar.d.ts");
copyFileSync("src/ctibar/demo.html", "dist/ctibar-demo.html");
copyFileSync("src/demo.html", "dist/demo.html");
copyFileSync("src/agent/index.html", "dist/agent.html");
copyFileSync("src/agent/icon.svg", "dist/icon.svg");

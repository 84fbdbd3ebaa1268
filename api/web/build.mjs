// Bundles the softphone into one file and lays beside it what is served with it.
import { build } from "esbuild";
import { copyFileSync, mkdirSync } from "node:fs";

mkdirSync("dist", { recursive: true });
await build({
  entryPoints: ["src/softphone.ts"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  legalComments: "eof",
  outfile: "dist/softphone.js",
});
copyFileSync("src/types.d.ts", "dist/softphone.d.ts");
copyFileSync("src/demo.html", "dist/demo.html");

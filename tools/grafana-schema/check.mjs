// node check.mjs FILE...: each dashboard is written as a literal of Grafana's published type, and each panel's options
// and field options as literals of its panel plugin's type; the TypeScript compiler then says which field is not known, is
// missing, or has a wrong type or value.
import { readFileSync, mkdtempSync, writeFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const plugins = { stat: "Stat", timeseries: "TimeSeries", table: "Table", bargauge: "BarGauge" };
const fieldOptions = { timeseries: "GraphFieldConfig" };
const head = `import type { Dashboard, Panel, RowPanel, VariableModel, AnnotationQuery, GraphFieldConfig } from "@grafana/schema";
${Object.entries(plugins).map(([p, n]) => `import type { Options as ${n}Options } from "@grafana/schema/dist/esm/raw/composable/${p}/panelcfg/x/${n}PanelCfg_types.gen";`).join("\n")}
// An enumeration as its values: that is what stands in JSON.
type Json<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T : T extends (infer U)[] ? Json<U>[] : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
`;
const dir = mkdtempSync(join(here, ".check-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
const sources = [];
for (const file of process.argv.slice(2)) {
  const d = JSON.parse(readFileSync(file, "utf8"));
  let text = head;
  const say = (name, type, value) => { text += `export const ${name}: Json<${type}> = ${JSON.stringify(value, null, 1)};\n`; };
  const { panels, templating, annotations, ...rest } = d;
  say("dashboard", "Dashboard", rest);
  templating.list.forEach((v, i) => say(`variable${i}`, "VariableModel", v));
  annotations.list.forEach((a, i) => say(`annotation${i}`, `Omit<AnnotationQuery, "target">`, (({ target, ...x }) => x)(a)));
  panels.forEach((p, i) => {
    if (p.type === "row") return say(`row${i}`, "RowPanel", p);
    if (!plugins[p.type]) throw new Error(`${file}: panel type ${p.type} is not known`);
    const { options, fieldConfig, ...panel } = p;
    say(`panel${i}`, `Omit<Panel, "options" | "fieldConfig">`, panel);
    say(`options${i}`, `Partial<${plugins[p.type]}Options>`, options);
    say(`fields${i}`, `NonNullable<Panel["fieldConfig"]>`, fieldConfig);
    if (fieldOptions[p.type] && fieldConfig.defaults.custom) say(`custom${i}`, fieldOptions[p.type], fieldConfig.defaults.custom);
  });
  const out = join(dir, basename(file, ".json") + ".ts");
  writeFileSync(out, text);
  sources.push(out);
}
const program = ts.createProgram(sources, { strict: true, noEmit: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [] });
const found = ts.getPreEmitDiagnostics(program);
for (const f of found) {
  const at = f.file ? f.file.getLineAndCharacterOfPosition(f.start) : null;
  console.log(`${f.file ? basename(f.file.fileName) + ":" + (at.line + 1) : ""} ${ts.flattenDiagnosticMessageText(f.messageText, " ").slice(0, 500)}`);
}
console.log(`${sources.length} dashboards against @grafana/schema ${JSON.parse(readFileSync(join(here, "node_modules/@grafana/schema/package.json"))).version}: ${found.length} faults`);
process.exitCode = found.length ? 1 : 0;

/**
 * Holds Kubernetes objects against the types of a current Kubernetes: a field that is unknown, is missing, or
 * has a value of another kind is told, and the exit status is 1.
 *
 *   node check.js < objects.json        (an array)
 *
 * The types are those that npm's kubernetes-types makes of Kubernetes' own description; TypeScript's compiler
 * is given each object as a literal of its type, and refuses what the type does not have.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const HERE = dirname(fileURLToPath(import.meta.url));
const FILE = join(HERE, 'objects.ts'); // in memory alone
const OPTIONS = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Node10,
};

/** `apps/v1` → apps/v1, `networking.k8s.io/v1` → networking/v1, `v1` → core/v1 */
function moduleOf(apiVersion) {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  return `kubernetes-types/${group.split('.')[0]}/${version}`;
}

function literal(object, index) {
  const type = `import('${moduleOf(object.apiVersion)}').${object.kind}`;
  return `export const object${index}: ${type} = ${JSON.stringify(object, null, 1)};\n`;
}

function diagnose(source) {
  const host = ts.createCompilerHost(OPTIONS);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === FILE || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === FILE ? ts.createSourceFile(name, source, ...rest) : getSourceFile(name, ...rest);
  return ts.getPreEmitDiagnostics(ts.createProgram([FILE], OPTIONS, host));
}

const objects = JSON.parse(readFileSync(0, 'utf8'));
const found = diagnose(objects.map(literal).join(''));
for (const { file, start, messageText } of found) {
  const line = file ? file.text.slice(0, start).split('\n').length : 0;
  console.log(`line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n  ')}`);
}
process.exitCode = found.length > 0 || objects.length === 0 ? 1 : 0;

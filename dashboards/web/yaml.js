// A spec as YAML, the way it is written in a file. Only what a spec holds: mappings, lists, strings, numbers, booleans, null.

const PLAIN = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
const WORDS = new Set(["true", "false", "null", "yes", "no", "on", "off", "y", "n"]);

export function toYaml(value, indent = "") {
  return Object.entries(value)
    .map(([key, inner]) => {
      const nested = inner !== null && typeof inner === "object" && !Array.isArray(inner) && Object.keys(inner).length > 0;
      return `${indent}${scalar(key)}:${nested ? `\n${toYaml(inner, `${indent}  `)}` : ` ${flow(inner)}`}`;
    })
    .join("\n");
}

function flow(value) {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([key, inner]) => `${scalar(key)}: ${flow(inner)}`).join(", ")}}`;
  }
  return scalar(value);
}

function scalar(value) {
  if (typeof value !== "string") return JSON.stringify(value);
  return PLAIN.test(value) && !WORDS.has(value.toLowerCase()) ? value : JSON.stringify(value);
}

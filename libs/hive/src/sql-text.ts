/** A text as a literal of HiveQL. Hive reads backslashes inside as escapes. */
export function literal(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\0", "\\0")}'`;
}

/** A name in backquotes, which HiveQL doubles inside. */
export function identifier(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

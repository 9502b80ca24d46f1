import fc from "fast-check";

/** Fills each `{kind}` of a template with an expression of that kind. */
export function filled(
  templates: readonly string[],
  kinds: Readonly<Record<string, fc.Arbitrary<string>>>,
): fc.Arbitrary<string> {
  return fc.constantFrom(...templates).chain((template) => {
    const parts = template.split(/\{(text|number|truth|list)\}/);
    const filling = parts.map((part, index) =>
      index % 2 ? (kinds[part] ?? fc.constant(part)) : fc.constant(part),
    );
    return fc.tuple(...filling).map((texts) => texts.join(""));
  });
}

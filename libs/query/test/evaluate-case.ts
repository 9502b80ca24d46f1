/**
 * What an expression of CASE, comparisons and sums is for a row: the few operators that the
 * reconciliation's statements use, read as SQL reads them, with all numbers as bigint.
 */
export function evaluate(sql: string, row: Readonly<Record<string, bigint>>): unknown {
  const tokens =
    sql.match(/CASE|WHEN|THEN|ELSE|END|AND|OR|NOT|"[^"]*"|true|\d+|[<>]=?|[=+()-]/g) ?? [];
  let at = 0;
  const next = () => tokens[at++] ?? "";
  const take = (token: string) => {
    if (next() !== token) throw new SyntaxError(`${token} expected in ${sql}`);
  };
  const skip = (token: string) => tokens[at] === token && ++at > 0;

  function disjunction(): unknown {
    let value = conjunction();
    while (skip("OR")) value = [value, conjunction()].some((each) => each === true);
    return value;
  }
  function conjunction(): unknown {
    let value = comparison();
    while (skip("AND")) value = [value, comparison()].every((each) => each === true);
    return value;
  }
  function comparison(): unknown {
    const left = sum();
    if (skip("<")) return (left as bigint) < (sum() as bigint);
    if (skip(">=")) return (left as bigint) >= (sum() as bigint);
    if (skip("=")) return left === sum();
    return left;
  }
  function sum(): unknown {
    let value = atom();
    for (;;) {
      if (skip("+")) value = (value as bigint) + (atom() as bigint);
      else if (skip("-")) value = (value as bigint) - (atom() as bigint);
      else return value;
    }
  }
  function atom(): unknown {
    const token = next();
    if (token === "true") return true;
    if (token === "NOT") return atom() !== true;
    if (token === "-") return -(atom() as bigint);
    if (token === "(") {
      const value = disjunction();
      take(")");
      return value;
    }
    if (token === "CASE") return choice();
    return /^\d/.test(token) ? BigInt(token) : row[token.slice(1, -1)];
  }
  function choice(): unknown {
    let chosen: { value: unknown } | undefined;
    while (skip("WHEN")) {
      const isTrue = disjunction() === true;
      take("THEN");
      const value = disjunction();
      if (isTrue) chosen ??= { value };
    }
    take("ELSE");
    const other = disjunction();
    take("END");
    return chosen ? chosen.value : other;
  }
  return disjunction();
}

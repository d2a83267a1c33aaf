/**
 * Cuts a SQL file into its statements: ClickHouse takes one a request. A semicolon within a string, a
 * quoted name or a comment ends nothing. Comments before a statement are left out.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let at = 0;
  let hasCode = false;
  const end = (): void => {
    if (hasCode) statements.push(sql.slice(start, at).trim());
    hasCode = false;
  };
  while (at < sql.length) {
    const skipped = commentEnd(sql, at) ?? quoteEnd(sql, at);
    if (skipped !== null) {
      if (isQuote(sql[at])) hasCode = true;
      at = skipped;
    } else if (sql[at] === ';') {
      end();
      at += 1;
    } else {
      if (!/\s/.test(sql[at] ?? '')) hasCode = true;
      at += 1;
    }
    if (!hasCode) start = at;
  }
  end();
  return statements;
}

/** Where the comment that begins here ends, or null when none begins here. Block comments nest. */
function commentEnd(sql: string, at: number): number | null {
  if (sql.startsWith('--', at) || sql.startsWith('#!', at) || sql.startsWith('# ', at)) {
    const newline = sql.indexOf('\n', at);
    return newline === -1 ? sql.length : newline + 1;
  }
  if (!sql.startsWith('/*', at)) return null;
  let depth = 0;
  for (let i = at; i < sql.length; i++) {
    if (sql.startsWith('/*', i)) {
      depth += 1;
      i += 1;
    } else if (sql.startsWith('*/', i)) {
      depth -= 1;
      i += 1;
      if (depth === 0) return i + 1;
    }
  }
  throw new SyntaxError('a comment is not closed');
}

function isQuote(char: string | undefined): boolean {
  return char === "'" || char === '"' || char === '`';
}

/** Where the quoted text that begins here ends; a backslash or a doubled quote keeps it open. */
function quoteEnd(sql: string, at: number): number | null {
  const quote = sql[at];
  if (!isQuote(quote)) return null;
  for (let i = at + 1; i < sql.length; i++) {
    if (sql[i] === '\\') i += 1;
    else if (sql[i] === quote) {
      if (sql[i + 1] !== quote) return i + 1;
      i += 1;
    }
  }
  throw new SyntaxError(`a ${quote} is not closed`);
}

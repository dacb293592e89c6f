/** Names and command lines are chosen by others: text that a terminal only shows. */

/** What would move a terminal's cursor, or turn the way it writes, is spelt out. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Surrogate}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

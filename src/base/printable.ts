/**
 * Text that others chose (names, targets of links, command lines), as it can be shown. What would move a terminal's cursor, turn the
 * direction of writing round, or not be seen at all is spelt out: so two names that differ look different, and none looks like another.
 * The command and the page show all such text by this one function; what is copied or asked for stays as it is.
 *
 * Not told apart are letters that look alike, as `a` of the Latin and of the Cyrillic alphabet do.
 */

/** Controls, marks of format and direction, halves of surrogate pairs, spaces but for the usual one, and what has no ink. */
const UNSEEN = /(?! )[\p{Cc}\p{Cf}\p{Surrogate}\p{Z}\p{Default_Ignorable_Code_Point}]/gu;

/** The same text, with `\u{202e}` for a character that can't be seen for what it is. */
export function printable(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

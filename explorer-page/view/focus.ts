/**
 * Where the keyboard's focus goes when what had it goes, or can't have it any more: to the main part, the list or the picture. Else it would fall to the page's body,
 * where arrows and Enter do nothing.
 */
export const LIST = 'objects';
export const PICTURE = 'picture';

export function focusMain(): void {
  (document.getElementById(LIST) ?? document.getElementById(PICTURE))?.focus();
}

/** Only where nothing has it: not away from somebody who types already. */
export function focusMainFromNowhere(): void {
  if (document.activeElement === null || document.activeElement === document.body) focusMain();
}

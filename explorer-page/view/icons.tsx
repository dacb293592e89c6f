/**
 * The icons, drawn once as symbols and used by name: ten thousand lines of a list then hold ten thousand references and not as many drawings. An icon
 * never stands alone: the type or the name is beside it in words, so it is hidden from whoever hears the page.
 */
import type { ComponentChildren } from 'preact';
import type { ObjectType } from '../../src/explorer/model.js';

export type IconName = ObjectType | 'back' | 'up' | 'refresh' | 'search' | 'copy' | 'go' | 'info' | 'pin' | 'unpin' | 'graph' | 'list' | 'theme' | 'close' | 'groups';

const GEAR = 'M6.66 2.97L6.82 0.69L9.18 0.69L9.34 2.97L10.61 3.5L12.33 2L14 3.67L12.5 5.39L13.03 6.66L15.31 6.82L15.31 9.18L13.03 9.34L12.5 10.61L14 12.33L12.33 14L10.61 12.5L9.34 13.03L9.18 15.31L6.82 15.31L6.66 13.03L5.39 12.5L3.67 14L2 12.33L3.5 10.61L2.97 9.34L0.69 9.18L0.69 6.82L2.97 6.66L3.5 5.39L2 3.67L3.67 2L5.39 3.5ZM8 5.4a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 1 0 0 -5.2Z';

export function Icon({ name }: { name: IconName }) {
  return <svg class={`icon icon-${idOf(name)}`} aria-hidden="true" focusable="false"><use href={`#icon-${idOf(name)}`} /></svg>;
}

/** Stands in the page once. */
export function IconSymbols() {
  return (
    <svg class="symbols" aria-hidden="true">
      <Symbol name="Directory"><path d="M1 3.2a1 1 0 0 1 1-1h4l1.6 1.8H14a1 1 0 0 1 1 1V13a1 1 0 0 1-1 1H2a1 1 0 0 1-1-1Z" /><path class="drawn-light" d="M1 6.2h14V13a1 1 0 0 1-1 1H2a1 1 0 0 1-1-1Z" /></Symbol>
      <Symbol name="ALPC Port"><path fill-rule="evenodd" d={GEAR} /></Symbol>
      <Symbol name="Section"><path d="M1 2h14v3.4H1zM1 6.4h14v3.2H1zM1 10.6h14V14H1z" /><path class="drawn-light" d="M2.4 3h2v1.4h-2zM2.4 7.3h2v1.4h-2zM2.4 11.6h2V13h-2z" /></Symbol>
      <Symbol name="Event"><path d="M9.6 0.8 2.6 9h4.2L5.4 15.2 13.4 6.4H8.6Z" /></Symbol>
      <Symbol name="SymbolicLink"><path class="drawn-paper" d="M2.5 0.8h7.2L13.5 4.6V15.2H2.5Z" /><path d="M5 12.6c0-3.6 1.6-5 3.6-5V5.6L12 8.7 8.6 11.8V9.8c-1.6 0-2.8.7-3.6 2.8Z" /></Symbol>
      <Symbol name="Unknown"><circle cx="8" cy="8" r="7.2" /><path class="drawn-light" d="M5.7 6.2c0-1.5 1-2.5 2.4-2.5 1.4 0 2.4.9 2.4 2.2 0 1.9-1.9 2-1.9 3.7H7.3c0-2.3 1.8-2.4 1.8-3.6 0-.6-.4-1-1-1-.7 0-1.1.5-1.1 1.2ZM7.2 10.8h1.5v1.5H7.2z" /></Symbol>
      <Symbol name="back"><path class="drawn-line" d="M14 8H2.5M7 3.2 2.2 8 7 12.8" /></Symbol>
      <Symbol name="up"><path class="drawn-line" d="M8 14V2.5M3.2 7 8 2.2 12.8 7" /></Symbol>
      <Symbol name="refresh"><path class="drawn-line" d="M13.6 8a5.6 5.6 0 1 1-1.7-4M13.4 1.2v3.4H10" /></Symbol>
      <Symbol name="search"><path class="drawn-line" d="M6.7 11.4a4.7 4.7 0 1 0 0-9.4 4.7 4.7 0 0 0 0 9.4ZM10.2 10.2 14.4 14.4" /></Symbol>
      <Symbol name="copy"><path class="drawn-line" d="M5.2 5.2h8.6v8.6H5.2zM10.6 5V2.2H2.2v8.4H5" /></Symbol>
      <Symbol name="go"><path class="drawn-line" d="M2.2 12.8c0-4.2 2.4-6.4 6-6.4h4.6M9.4 2.8 13.2 6.4 9.4 10" /></Symbol>
      <Symbol name="info"><path class="drawn-line" d="M2.2 2.2h11.6v11.6H2.2zM5 5.4h6M5 8h6M5 10.6h3.4" /></Symbol>
      <Symbol name="pin"><path class="drawn-line" d="M8 1.8 9.9 5.9l4.4.5-3.3 3 .9 4.4L8 11.6l-3.9 2.2.9-4.4-3.3-3 4.4-.5Z" /></Symbol>
      <Symbol name="unpin"><path d="M8 1.4 9.9 5.6l4.6.5-3.4 3.1.9 4.5L8 11.4l-4 2.3.9-4.5L1.5 6.1l4.6-.5Z" /></Symbol>
      <Symbol name="graph"><path class="drawn-line" d="M5 5 11 11M5.4 3.6h5.2M12.4 5.4v5" /><circle cx="3.6" cy="3.6" r="2.2" /><circle cx="12.4" cy="3.6" r="2.2" /><circle cx="12.4" cy="12.4" r="2.2" /></Symbol>
      <Symbol name="list"><path class="drawn-line" d="M2 3.4h2M6.4 3.4H14M2 8h2M6.4 8H14M2 12.6h2M6.4 12.6H14" /></Symbol>
      <Symbol name="theme"><path class="drawn-line" d="M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z" /><path d="M8 1.8a6.2 6.2 0 0 1 0 12.4Z" /></Symbol>
      <Symbol name="close"><path class="drawn-line" d="M3.4 3.4 12.6 12.6M12.6 3.4 3.4 12.6" /></Symbol>
      <Symbol name="groups"><path class="drawn-line" d="M2 3h7M4.4 6.4H14M4.4 9.8H14M4.4 13.2H14" /></Symbol>
    </svg>
  );
}

function Symbol({ name, children }: { name: IconName; children: ComponentChildren }) {
  return <symbol id={`icon-${idOf(name)}`} viewBox="0 0 16 16">{children}</symbol>;
}

function idOf(name: IconName): string {
  return name.toLowerCase().replace(' ', '-');
}

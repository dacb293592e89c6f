/** The virtual list as a hook: only the lines that can be seen, and a few around them, are in the document. All lines are of one height. */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { RefObject } from 'preact';
import { useLayoutEffect, useReducer, useState } from 'preact/hooks';

export function useVirtual({ count, height, scroller }: { count: number; height: number; scroller: RefObject<HTMLElement | null> }): Virtualizer<HTMLElement, HTMLElement> {
  const [, rerender] = useReducer<number, undefined>((turn) => turn + 1, 0);
  const options = {
    count, overscan: 12, estimateSize: () => height, getScrollElement: () => scroller.current,
    observeElementRect, observeElementOffset, scrollToFn: elementScroll, onChange: () => rerender(undefined),
  };
  const [virtual] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(options));
  virtual.setOptions(options);
  useLayoutEffect(() => virtual._didMount(), [virtual]);
  useLayoutEffect(() => virtual._willUpdate());
  return virtual;
}

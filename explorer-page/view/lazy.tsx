/** A part of the page whose code comes when it is first wanted. Until then, a word; if it can't be had, the reason. */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export function Lazy<Props extends object>({ load, ...props }: { load: () => Promise<ComponentType<Props>> } & Props) {
  const [found, setFound] = useState<{ Part?: ComponentType<Props>; problem?: string }>({});
  useEffect(() => {
    let isWanted = true;
    load().then((Part) => isWanted && setFound({ Part }), (error: unknown) => isWanted && setFound({ problem: String(error) }));
    return () => {
      isWanted = false;
    };
  }, [load]);
  if (found.Part !== undefined) return <found.Part {...(props as unknown as Props)} />;
  return <p class="placeholder" role="status">{found.problem ?? 'Loading …'}</p>;
}

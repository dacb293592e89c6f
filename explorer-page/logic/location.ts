/**
 * What stands behind `#` in the page's address: the token once, when the page is opened by the printed link, and from then on the
 * object that is shown, so that the browser's Back and Forward lead through what was visited.
 */
export interface Place {
  token?: string;
  path?: string;
  /** The picture of the whole is shown. */
  isGraph: boolean;
}

export function readHash(hash: string): Place {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const [token, path] = [parameters.get('token'), parameters.get('path')];
  return { ...(token === null || token === '' ? {} : { token }), ...(path?.startsWith('\\') === true ? { path } : {}), isGraph: parameters.get('view') === 'graph' };
}

/** Without the token. */
export function writeHash({ path, isGraph }: Omit<Place, 'token'>): string {
  const parameters = new URLSearchParams();
  if (path !== undefined) parameters.set('path', path);
  if (isGraph) parameters.set('view', 'graph');
  return `#${parameters.toString()}`;
}

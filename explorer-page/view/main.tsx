/** Where the page begins: it takes the token out of the address, so that it is neither seen nor bookmarked, and shows the rest. */
import { render } from 'preact';
import { Api } from '../logic/api.js';
import { readHash, writeHash } from '../logic/location.js';
import { Settings } from '../logic/settings.js';
import '../style/base.css';
import '../style/explorer.css';
import '../style/properties.css';
import '../style/graph.css';
import { App } from './app.js';
import { Explorer } from './explorer.js';

const TOKEN = 'alpc-explorer-token';

const { token, ...place } = readHash(location.hash);
if (token !== undefined) {
  sessionStorage.setItem(TOKEN, token);
  history.replaceState(null, '', writeHash(place));
}
const explorer = new Explorer(new Api(token ?? sessionStorage.getItem(TOKEN) ?? ''), new Settings(storage()));
addEventListener('hashchange', () => {
  const { token } = readHash(location.hash);
  if (token === undefined) explorer.onHash();
  else location.reload(); // a link of a server that was started anew, pasted over this page
});
render(<App explorer={explorer} />, document.getElementById('page')!);

/** Reading the property throws where the user forbids storing. */
function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

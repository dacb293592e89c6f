/**
 * Bundles the page to dist/explorer-page/site: everything it needs is in there, and it asks for nothing elsewhere. No script or style stands in the HTML, so that
 * the server can forbid those. Chart and graph are files of their own that come when they are first looked at.
 */
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    outDir: '../dist/explorer-page/site',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    license: { fileName: 'licenses.md' },
  },
});

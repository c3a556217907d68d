// Scripts and workers come from this folder alone: all others are refused by the browser.

const folder = new URL("./", import.meta.url).href;

globalThis.trustedTypes?.createPolicy("default", {
  createScriptURL(address) {
    const full = new URL(address, document.baseURI).href;
    if (!full.startsWith(folder)) throw new TypeError(`${full} is not of this page.`);
    return full;
  },
});

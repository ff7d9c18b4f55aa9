// Erlen, in development: loads the page again when the server or its files changed.
(() => {
  const script = document.currentScript;
  const address = script.src.replace(/reload\.js$/, "reload");
  const key = "erlen:reloaded-for";
  let version = script.dataset.version;
  let stream = null;
  let later = 0;

  const reload = (wanted) => {
    // A page out of a cache would have the old version again: once for each new one is enough.
    if (sessionStorage.getItem(key) === wanted) return;
    sessionStorage.setItem(key, wanted);
    close();
    location.reload();
  };
  const swapStyles = (wanted) => {
    version = wanted;
    for (const link of document.querySelectorAll('link[rel~="stylesheet"][href]')) {
      const url = new URL(link.href);
      if (url.origin !== location.origin) continue;
      url.searchParams.set("erlen", wanted);
      const fresh = link.cloneNode();
      fresh.href = url.href;
      fresh.addEventListener("load", () => link.remove(), { once: true });
      fresh.addEventListener("error", () => fresh.remove(), { once: true });
      link.after(fresh);
    }
  };
  const close = () => {
    clearTimeout(later);
    if (stream) stream.close();
    stream = null;
  };
  const open = () => {
    if (stream || document.hidden) return;
    const mine = new EventSource(address);
    stream = mine;
    mine.addEventListener("version", (event) => {
      if (event.data !== version) reload(event.data);
    });
    mine.addEventListener("styles", (event) => swapStyles(event.data));
    mine.addEventListener("error", () => {
      // While the server starts anew there is nobody, or a page of an error: browsers give up on some of these.
      if (mine.readyState !== EventSource.CLOSED || stream !== mine) return;
      close();
      later = setTimeout(open, 400);
    });
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
})();

// Keeps the parts of a page up to date while somebody looks at it. Without it the same page is as it was when it was made.
"use strict";

(() => {
  const SECONDS = 2;
  const MOST_SECONDS = 30;
  const root = document.querySelector("[data-live-url]");
  if (!root) return;

  const shown = new WeakMap();
  let pause = SECONDS;
  let timer = 0;

  const parts = () => [...root.querySelectorAll("[data-live]")];

  const isInSight = (part) => {
    const box = part.getBoundingClientRect();
    return box.bottom >= 0 && box.top <= window.innerHeight;
  };

  // A list asks only for the rows in sight.
  const address = () => {
    if (!("liveRows" in root.dataset)) return root.dataset.liveUrl;
    const ids = new Set(parts().filter(isInSight).map((part) => part.dataset.live.split(".")[0]));
    return root.dataset.liveUrl + [...ids].map((id) => `&id=${id}`).join("");
  };

  // What somebody is using stays as it is until they have done with it.
  const isInUse = (part) => {
    const chosen = document.getSelection();
    const isMarked = chosen && !chosen.isCollapsed && chosen.containsNode(part, true);
    return isMarked || part.contains(document.activeElement) || part.matches(":active");
  };

  const update = (found) => {
    for (const part of parts()) {
      const html = found[part.dataset.live];
      if (html === undefined || html === shown.get(part) || isInUse(part)) continue;
      shown.set(part, html);
      part.innerHTML = html; // made by the server, which escapes every name
    }
  };

  const look = async () => {
    try {
      const answer = await fetch(address(), { headers: { Accept: "application/json" }, redirect: "error" });
      if (!answer.ok) throw new Error(answer.status);
      update((await answer.json()).parts);
      pause = SECONDS;
      root.removeAttribute("data-live-lost");
    } catch {
      pause = Math.min(MOST_SECONDS, pause * 2);
      root.setAttribute("data-live-lost", "");
    }
  };

  const turn = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    await look();
    clearTimeout(timer);
    timer = setTimeout(turn, pause * 1000);
  };

  document.addEventListener("visibilitychange", turn);
  timer = setTimeout(turn, pause * 1000);
})();

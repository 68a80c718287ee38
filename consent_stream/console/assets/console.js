// Brings what is live on a page up to date, while somebody looks at it; without it a reload does.
"use strict";
(() => {
  const EVERY = 2000; // as often as the console itself looks
  const parts = () => document.querySelectorAll("[data-live]");
  const silent = () => {
    if (document.getElementById("silent")) return;
    const line = document.createElement("p");
    line.id = "silent";
    line.className = "error";
    line.setAttribute("role", "status");
    line.textContent = "The console does not answer since " + new Date().toISOString().slice(11, 19) + " UTC: these figures are old.";
    document.querySelector("h1").after(line);
  };
  const look = async () => {
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(location.href, { cache: "no-store", redirect: "manual" });
        if (answer.type === "opaqueredirect") return location.reload(); // the session is over
        if (!answer.ok) throw new Error();
        const found = new DOMParser().parseFromString(await answer.text(), "text/html");
        document.getElementById("silent")?.remove();
        for (const part of parts()) {
          const next = found.getElementById(part.id);
          if (next && !part.contains(document.activeElement)) part.replaceChildren(...next.childNodes);
        }
      } catch {
        silent();
      }
    }
    setTimeout(look, EVERY);
  };
  setTimeout(look, EVERY);
})();

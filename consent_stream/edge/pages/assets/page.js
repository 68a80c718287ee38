// Asks now and then whether a choice is in force everywhere, and says so; without it the page reloads itself a few times.
"use strict";
(() => {
  const status = document.getElementById("status");
  if (!status || !status.dataset.poll) return;
  let left = 30;
  const ask = async () => {
    try {
      const answer = await fetch(status.dataset.poll, { cache: "no-store", credentials: "omit" });
      if (answer.ok && (await answer.json()).state === "in_force") {
        const line = document.createElement("p");
        line.textContent = status.dataset.done;
        status.replaceChildren(status.querySelector("h2"), line);
        status.dataset.state = "in_force";
        return;
      }
    } catch { /* asked again below */ }
    if (--left > 0) setTimeout(ask, 1000);
  };
  setTimeout(ask, 500);
})();

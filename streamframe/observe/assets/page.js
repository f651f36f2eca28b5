// Replaces what has changed on the page every two seconds; without this script the page is complete, and reloads itself.
const SECONDS = 2;
let busy = false;

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  const note = document.getElementById("freshness");
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const shown = document.getElementById(part.id);
      if (shown && shown.innerHTML !== part.innerHTML && !shown.contains(document.activeElement)) {
        shown.replaceChildren(...part.childNodes);
      }
    }
    document.title = fresh.title;
    note.textContent = "live";
    note.className = "good";
  } catch {
    note.textContent = "no answer: the process has ended or is not reachable";
    note.className = "bad";
  } finally {
    busy = false;
  }
}

setInterval(refresh, SECONDS * 1000);

// Replaces what has changed on the page every two seconds; without this script the page is complete, and reloads itself.
const SECONDS = 2;
let busy = false;

// What the reader has opened or scrolled stays so; what has the focus is left alone until it has not.
function replace(shown, fresh) {
  for (const details of shown.querySelectorAll("details[open]")) {
    fresh.querySelector("#" + details.id)?.setAttribute("open", "");
  }
  const scrolled = [...shown.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  shown.replaceChildren(...fresh.childNodes);
  shown.querySelectorAll(".scroll").forEach((box, number) => { box.scrollLeft = scrolled[number] ?? 0; });
}

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  const note = document.getElementById("freshness");
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const fresh of page.querySelectorAll("[data-part]")) {
      const shown = document.getElementById(fresh.id);
      if (shown && shown.innerHTML !== fresh.innerHTML && !shown.contains(document.activeElement)) {
        replace(shown, fresh);
      }
    }
    document.title = page.title;
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

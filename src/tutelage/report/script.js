// Shows what a mark of a chart stands for, under a pointer or a finger. Everything else works without scripts.
const tip = document.getElementById("tip");
function show(event) {
  const mark = event.target.closest?.("figure [aria-roledescription][aria-label]");
  const told = mark && mark.closest(".role-mark") ? mark.getAttribute("aria-label") : "";
  tip.textContent = told;
  tip.hidden = !told;
  if (!told) return;
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 14)}px`;
}
addEventListener("pointermove", show);
addEventListener("pointerdown", show);
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

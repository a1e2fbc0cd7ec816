// What every page does: a button turns it light or dark, and links inside of it work in a notebook's frame.
(() => {
  const root = document.documentElement;
  // The choice is kept where the browser allows it.
  const kept = () => { try { return localStorage.getItem("deltarule-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("deltarule-theme", theme); } catch { /* not allowed here */ } };
  const chosen = kept();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button.theme");
    const prefers = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefers.matches);
    const tell = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      keep(root.dataset.theme);
      tell();
    });
    prefers.addEventListener("change", tell);
    tell();
  });
  // A page in a frame has the address of the notebook around it: there "#main" would open the notebook once more.
  if (location.protocol === "about:") addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    const target = document.getElementById(link.getAttribute("href").slice(1));
    target?.scrollIntoView();
    target?.focus();
  });
})();

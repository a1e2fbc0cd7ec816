// The button that turns a page light or dark. The choice is kept where the browser allows it.
(() => {
  const root = document.documentElement;
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
})();

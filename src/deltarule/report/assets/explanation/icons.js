// The signs of buttons: drawn, as they are missing from many fonts.

const ICONS = {
  zoom_in: "M8 3v10M3 8h10", zoom_out: "M3 8h10", fit: "M9.5 3H13v3.5M13 3L9 7M6.5 13H3V9.5M3 13l4-4", turn: "M3 6h8l-2.5-2.5M11 6L8.5 8.5M6 5v8l2-2M6 13l-2-2",
  open_next: "M2.5 2.5h11v11h-11zM8 5v6M5 8h6", close_all: "M2.5 2.5h11v11h-11zM5 8h6",
  first: "M4 3v10M13 3v10l-7-5z", previous: "M11 3v10l-7-5z", play: "M4 3v10l9-5z", pause: "M5 3v10M11 3v10",
  next: "M5 3v10l7-5z", last: "M12 3v10M3 3v10l7-5z", help: "M6 6a2 2 0 1 1 2.6 1.9Q8 8.2 8 9.6M8 11.6v1",
};
function icon(key) {
  return drawn("svg", { viewBox: "0 0 16 16", width: 16, height: 16, class: `icon ${key}`, "aria-hidden": "true" }, drawn("path", { d: ICONS[key] }));
}

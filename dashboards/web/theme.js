// Loaded before the first paint, so that a chosen theme never flashes: auto follows the system, light and dark are kept.
"use strict";
(() => {
  const CHOICES = ["auto", "light", "dark"];
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const remembered = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // a browser may forbid storage; the page then follows the system
    }
  };
  let choice = CHOICES.includes(remembered()) ? remembered() : "auto";

  function apply() {
    root.dataset.theme = choice === "auto" ? (system.matches ? "dark" : "light") : choice;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${choice}`;
    document.dispatchEvent(new Event("themechange"));
  }

  function next() {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // it lasts until the page is left
    }
    apply();
  }

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", next);
    apply();
  });
})();

// A formula in a line of text that is wider than the column gets a box of its own, which scrolls.
function boxWideFormulas() {
  for (const math of document.querySelectorAll("article span.math")) {
    math.classList.remove("wide");
    const column = math.closest("p, li, td, dd, article");
    if (math.getBoundingClientRect().width > column.clientWidth) math.classList.add("wide");
  }
}
window.addEventListener("load", () => {
  if (window.MathJax?.startup) MathJax.startup.promise.then(boxWideFormulas);
});
window.addEventListener("resize", boxWideFormulas);

(() => {
  const button = document.getElementById("copy");
  const report = document.getElementById("report");
  const told = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(report.textContent);
      told.textContent = "Copied.";
    } catch {
      document.getElementById("plain").open = true;
      getSelection().selectAllChildren(report);
      told.textContent = "Selected: copy it with your keyboard.";
    }
  });
})();

(() => {
  const address = document.currentScript.dataset.console;
  const post = (path, body) =>
    fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const detail = async (answer) => (await answer.json()).detail || answer.statusText;

  const run = async (frame, code) => {
    const answer = await post(address, { frame, code });
    if (answer.ok) return answer.text();
    const problem = await answer.json();
    if (!problem.locked) return problem.detail;
    const pin = prompt("The PIN of the console, which stands on the terminal:");
    if (pin === null) return problem.detail;
    const unlocked = await post(`${address}/unlock`, { pin });
    return unlocked.ok ? run(frame, code) : detail(unlocked);
  };

  for (const console of document.querySelectorAll("details.console")) {
    const form = console.querySelector("form");
    console.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const input = form.elements.code;
      const code = input.value;
      if (!code.trim()) return;
      const output = form.querySelector(".output");
      input.value = "";
      try {
        output.textContent += `>>> ${code}\n${await run(form.dataset.frame, code)}\n`;
      } catch (error) {
        output.textContent += `>>> ${code}\n${error}\n`;
      }
    });
  }
})();

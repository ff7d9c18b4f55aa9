// Shows how many books there are, as others add them.
const count = document.getElementById("count");
new EventSource(count.dataset.events).addEventListener("count", (event) => {
  const { books } = JSON.parse(event.data);
  count.textContent = `${books} ${books === 1 ? "book" : "books"} on the list right now.`;
});

// Appends what is added to a log file to its page, while the page is visible.

(() => {
  "use strict";

  const LONGEST = 1_000_000; // characters that the page keeps
  const log = document.getElementById("log");
  const button = document.getElementById("follow");
  const state = document.getElementById("follow-state");
  let offset = Number(log.dataset.offset);
  let pause = Number(log.dataset.pause);
  let isOn = false;
  let isReading = false;
  let timer = 0;

  function show(sentence) {
    button.textContent = isOn ? "Stop following" : "Follow";
    if (state.textContent !== sentence) state.textContent = sentence;
  }

  function append(part) {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (part.was_replaced) log.textContent = "";
    log.append(document.createTextNode(part.text));
    if (part.text) document.getElementById("empty")?.remove();
    if (log.textContent.length > LONGEST) log.textContent = log.textContent.slice(-LONGEST / 2);
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  async function readOn() {
    const address = new URL(log.dataset.part, location.href);
    address.searchParams.set("offset", offset);
    try {
      const answer = await fetch(address, { redirect: "manual" });
      if (answer.status === 503 || answer.status === 502) return "The node does not answer. Trying again.";
      if (!answer.ok) return null; // also a redirect to the login: the session has ended
      const part = await answer.json();
      offset = part.offset;
      pause = part.pause_s;
      append(part);
      return "Following";
    } catch {
      return null; // the service is restarted, or the network is down
    }
  }

  async function step() {
    isReading = true;
    const said = await readOn();
    isReading = false;
    if (!isOn) return;
    if (said === null) {
      isOn = false;
      show("Following ended. Reload the page to continue reading.");
      return;
    }
    show(said);
    plan();
  }

  function plan() {
    clearTimeout(timer);
    // One part at a time: two would append the same bytes.
    if (isOn && !isReading && !document.hidden) timer = setTimeout(step, pause * 1000);
  }

  button.addEventListener("click", () => {
    isOn = !isOn;
    show(isOn ? "Following" : "");
    if (isOn) log.scrollTop = log.scrollHeight;
    plan();
  });
  document.addEventListener("visibilitychange", plan);

  button.hidden = false;
  log.scrollTop = log.scrollHeight;
})();

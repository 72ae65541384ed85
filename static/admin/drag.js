/** Moves the entries of lists with a finger or the mouse. Keys move them too; see show-sets.js. */

/**
 * @param {HTMLElement} root  holds the lists
 * @param {{handle: string, item: string, list: string}} selectors
 * @param {() => void} onMoved  the entries stand in a new order
 */
export function makeDraggable(root, { handle, item, list }, onMoved) {
  root.addEventListener("pointerdown", (event) => {
    const grip = event.target instanceof Element ? event.target.closest(handle) : null;
    const dragged = grip?.closest(item);
    if (!(dragged instanceof HTMLElement) || event.button !== 0) return;
    event.preventDefault();
    root.setPointerCapture(event.pointerId); // an element that moves would lose it
    dragged.classList.add("dragged");
    let isMoved = false;

    /** @param {PointerEvent} moved */
    const move = ({ clientX, clientY }) => {
      const below = document.elementsFromPoint(clientX, clientY).find((element) => element !== dragged && !dragged.contains(element) && element.matches(`${item}, ${list}`));
      if (!below || !root.contains(below)) return;
      isMoved = true;
      if (below.matches(list)) {
        if (!below.contains(dragged)) below.append(dragged);
        return;
      }
      const { top, height } = below.getBoundingClientRect();
      if (clientY < top + height / 2) below.before(dragged);
      else below.after(dragged);
    };
    const end = () => {
      root.removeEventListener("pointermove", move);
      dragged.classList.remove("dragged");
      if (isMoved) onMoved();
    };
    root.addEventListener("pointermove", move);
    root.addEventListener("lostpointercapture", end, { once: true });
  });
}

/** The time of this process, which the page can move forward: an outage of an hour is shown in a second. */

const wall = Date.now.bind(Date)
const monotonic = performance.now.bind(performance)
let ahead = 0

/** Moves the clocks of this process forward, for all servers in it alike. @param seconds how far */
export function passTime(seconds: number): void {
  ahead += seconds * 1000
  Date.now = () => wall() + ahead
  performance.now = () => monotonic() + ahead
}

/** Returns how far the clocks are ahead. In seconds. */
export function timePassed(): number {
  return ahead / 1000
}

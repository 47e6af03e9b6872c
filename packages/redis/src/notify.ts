/** Calls listeners of the application, which must not decide about requests, or end the process. */

/** Calls a listener. If it throws, or rejects, that has no effect. */
export function notify<Event>(listener: ((event: Event) => unknown) | undefined, event: Event): void {
  try {
    const result = listener?.(event)
    if (result instanceof Promise) result.catch(() => {})
  } catch {}
}

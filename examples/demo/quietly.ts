/** Keeps the development notices of oidc-provider out of the transcript; whatever else is printed meanwhile, stays. */

export async function quietly<T>(run: () => Promise<T>): Promise<T> {
  const { info, warn } = console
  const unlessNotice =
    (print: typeof console.warn): typeof console.warn =>
    (first: unknown, ...rest) => {
      if (!/oidc-provider (?:NOTICE|WARNING):/.test(String(first))) print(first, ...rest)
    }
  console.info = unlessNotice(info)
  console.warn = unlessNotice(warn)
  try {
    return await run()
  } finally {
    Object.assign(console, { info, warn })
  }
}

-- wrk: one request for each line of the file that BENCH_TOKENS names, in turn.
local requests, index = {}, 0

function init()
  for token in io.lines(os.getenv("BENCH_TOKENS")) do
    requests[#requests + 1] = wrk.format("GET", "/", { Authorization = "Bearer " .. token })
  end
end

function request()
  index = index % #requests + 1
  return requests[index]
end

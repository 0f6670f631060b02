# ranger on a table, in the steps and with the output of peers.py:
#
#   Rscript --vanilla ranger.R RELATION TARGET classification|regression JOBS SEED TREES

suppressMessages({library(ranger); library(data.table)})
arguments <- commandArgs(TRUE)
relation <- arguments[1]
target <- arguments[2]
classes <- arguments[3] == "classification"
jobs <- as.integer(arguments[4])
seed <- as.integer(arguments[5])
trees <- as.integer(arguments[6])
setDTthreads(jobs)

step <- function(name, action) {
  start <- proc.time()[["elapsed"]]
  result <- force(action)
  cat(sprintf("%s %.6f\n", name, proc.time()[["elapsed"]] - start))
  flush(stdout())
  invisible(result)
}

fetch <- function(query) {
  copy <- sprintf("COPY (%s) TO STDOUT (FORMAT csv, HEADER)", query)
  fread(cmd = paste("psql -X -q -c", shQuote(copy)), na.strings = "")
}

# ranger takes no missing values: the median of the training rows, or a text of its own.
code <- function(rows) {
  for (name in setdiff(names(rows), c("id", target))) {
    values <- rows[[name]]
    if (is.character(values)) {
      values[is.na(values)] <- "?"
      if (is.null(known[[name]])) known[[name]] <<- sort(unique(values), method = "radix")
      set(rows, j = name, value = factor(values, levels = known[[name]]))
    } else {
      if (is.null(known[[name]])) known[[name]] <<- median(values, na.rm = TRUE)
      if (anyNA(values)) {
        values[is.na(values)] <- known[[name]]
        set(rows, j = name, value = values)
      }
    }
  }
  rows
}

known <- list()
rows <- step("fetch", {
  rows <- code(fetch(sprintf("SELECT * FROM %s WHERE id %% 5 <> 0", relation)))
  rows[, id := NULL]
  if (classes) {
    labels <- as.character(rows[[target]])
    set(rows, j = target, value = factor(labels, levels = sort(unique(labels), method = "radix")))
  }
  rows
})
forest <- step("train", ranger(dependent.variable.name = target, data = rows, num.trees = trees,
  mtry = floor(sqrt(ncol(rows) - 1)), min.node.size = 1, probability = classes,
  respect.unordered.factors = "order", num.threads = jobs, seed = seed, oob.error = FALSE,
  verbose = FALSE))
order <- if (classes) levels(rows[[target]])
rm(rows)

rows <- step("fetch all", code(fetch(sprintf("SELECT * FROM %s", relation))))
answer <- step("predict", predict(forest, rows, num.threads = jobs, verbose = FALSE)$predictions)
step("write", {
  answer <- if (classes) as.data.table(answer[, order]) else data.table(answer)
  names <- paste0("p", seq_along(answer) - 1)
  setnames(answer, names)
  answer <- data.table(id = rows[["id"]], answer)
  file <- tempfile()
  fwrite(answer, file, col.names = FALSE)
  create <- sprintf("CREATE UNLOGGED TABLE bench.answer (id bigint, %s)", paste(names, "float8", collapse = ", "))
  failed <- system(paste("psql -X -q -v ON_ERROR_STOP=1 -c 'DROP TABLE IF EXISTS bench.answer' -c", shQuote(create),
    "-c", shQuote(sprintf("\\copy bench.answer FROM '%s' (FORMAT csv)", file))))
  unlink(file)
  if (failed) stop("the answers could not be written")
})

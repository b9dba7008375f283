# What R makes of the 23 made-up patients of own_patients.csv: `Rscript own.R` in this folder.
# Times are days from enrolment in the table, and years of 365.25 days in the readings; NA is undefined.
library(survival)

own <- read.csv("own_patients.csv")
YEARS <- c(0.5, 1, 2, 3, 4, 5)
WAITS <- c(0.25, 0.5, 1)

rows <- list()
add <- function(figure, time, estimate, lower, upper, at_risk) {
  rows[[length(rows) + 1]] <<- data.frame(figure, time_years = time, estimate, lower, upper, at_risk)
}

survival_at <- function(figure, days, event) {
  fit <- survfit(Surv(days, event) ~ 1, conf.type = "log-log")
  read <- summary(fit, times = YEARS[YEARS * 365.25 <= max(days)] * 365.25)
  add(figure, read$time / 365.25, read$surv, read$lower, read$upper, read$n.risk)
  median_of(paste0(figure, "_median"), fit)
}

median_of <- function(figure, fit) {
  printed <- summary(fit)$table
  add(figure, NA, printed[["median"]], printed[["0.95LCL"]], printed[["0.95UCL"]], NA)
}

incidence_at <- function(figures, days, cause, years) {
  state <- factor(cause, 0:2, c("censored", "one", "other"))
  fit <- survfit(Surv(days, state) ~ 1, conf.type = "log-log")
  read <- summary(fit, times = years[years * 365.25 <= max(days)] * 365.25)
  for (k in 1:2) {
    column <- match(c("one", "other")[k], fit$states)
    add(figures[k], read$time / 365.25, read$pstate[, column], read$lower[, column], read$upper[, column],
        read$n.risk[, 1])
  }
}

share <- function(figure, count, n) {
  add(figure, NA, count / n, binom.test(count, n)$conf.int[1], binom.test(count, n)$conf.int[2], NA)
}

died <- !is.na(own$died)
reinfused <- !is.na(own$transplanted)
share("reinfused", sum(reinfused), nrow(own))
share("pre_transplant_mortality", sum(died & !reinfused), nrow(own))
share("waiting_at_last_contact", sum(!died & !reinfused), nrow(own))

after <- own[reinfused, ]
seen <- after$last_seen - after$transplanted
dead <- !is.na(after$died)
relapse <- !is.na(after$relapsed)
known <- dead & seen <= 100 | seen >= 100
share("deaths_day_100", sum(dead & seen <= 100), sum(known))

free <- ifelse(relapse, after$relapsed - after$transplanted, seen)
survival_at("overall_survival", seen, dead)
survival_at("disease_free_survival", free, relapse | dead)
incidence_at(c("relapse_incidence", "death_without_relapse"), free, ifelse(relapse, 1, ifelse(dead, 2, 0)), YEARS)
survival_at("overall_survival_enrolled", own$last_seen, died)
incidence_at(c("reinfused_incidence", "death_before_reinfusion"),
             ifelse(reinfused, own$transplanted, own$last_seen), ifelse(reinfused, 1, ifelse(died, 2, 0)), WAITS)
median_of("wait_median", survfit(Surv(own$transplanted[reinfused], rep(1, sum(reinfused))) ~ 1, conf.type = "log-log"))
median_of("follow_up_median", survfit(Surv(seen, !dead) ~ 1, conf.type = "log-log"))
median_of("follow_up_enrolled_median", survfit(Surv(own$last_seen, !died) ~ 1, conf.type = "log-log"))

all_rows <- do.call(rbind, rows)
for (name in names(all_rows)[-1]) {
  all_rows[[name]] <- ifelse(is.finite(all_rows[[name]]), sprintf("%.17g", all_rows[[name]]), "NA")
}
write.csv(all_rows, "own_figures.csv", row.names = FALSE, quote = FALSE)

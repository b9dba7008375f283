# The few columns that are needed of public data sets in R's package survival: `Rscript public.R` here.
# cause is -1 for a censoring; 0 and 1 compete where there are two.
library(survival)

colon_by_patient <- merge(colon[colon$etype == 1, c("id", "time", "status")],
                          colon[colon$etype == 2, c("id", "time", "status")], by = "id")
relapsed <- colon_by_patient$status.x == 1
died <- colon_by_patient$status.y == 1

rows <- rbind(
  data.frame(trial = "lung", time = lung$time, cause = lung$status - 2),
  data.frame(trial = "veteran", time = veteran$time, cause = veteran$status - 1),
  data.frame(trial = "mgus2",
             time = with(mgus2, ifelse(pstat == 1, ptime, futime)),
             cause = with(mgus2, ifelse(pstat == 1, 0, ifelse(death == 1, 1, -1)))),
  data.frame(trial = "colon",
             time = with(colon_by_patient, ifelse(relapsed, time.x, time.y)),
             cause = ifelse(relapsed, 0, ifelse(died, 1, -1))))
write.csv(rows, "public.csv", row.names = FALSE, quote = FALSE)
